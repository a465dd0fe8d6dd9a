// Sends a file by tus-js-client, as a page in a browser would, and prints what the server has made of it.
// node upload.mjs ENDPOINT FILE CHUNK_BYTES METADATA
import { createReadStream, statSync } from 'node:fs'
import { Upload } from 'tus-js-client'

const [endpoint, path, chunkBytes, metadata] = process.argv.slice(2)
let uploadId = null
let failures = 0

const upload = new Upload(createReadStream(path), {
  endpoint,
  chunkSize: Number(chunkBytes),
  uploadSize: statSync(path).size,
  metadata: JSON.parse(metadata),
  retryDelays: Array(50).fill(50),
  onShouldRetry: (_error, _attempt, options) => {
    failures += 1
    return options !== null
  },
  onAfterResponse: (_request, response) => {
    uploadId = response.getHeader('CSVPipe-Upload') ?? uploadId
  },
  onError: (error) => {
    const response = error.originalResponse
    const status = response ? response.getStatus() : null
    console.log(JSON.stringify({ status, body: response ? response.getBody() : String(error), failures }))
    process.exit(1)
  },
  onSuccess: () => {
    console.log(JSON.stringify({ uploadId, url: upload.url, failures }))
    process.exit(0)
  },
})
upload.start()
