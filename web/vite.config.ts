import { defineConfig } from 'vite'

const API = ['datasets', 'docs', 'events', 'files', 'preview', 'session', 'uploads']
const uploader = process.env.PAGE_UPLOADER ?? 'http://localhost:8000'

// Relative addresses, so that the page also works behind a proxy that serves it under a path.
export default defineConfig({
  base: './',
  build: {
    outDir: '../uploader/page',
    emptyOutDir: true,
    target: 'es2022',
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    license: { fileName: 'licenses.md' }, // of what is bundled
    reportCompressedSize: false,
  },
  server: { proxy: Object.fromEntries(API.map((path) => [`/${path}`, uploader])) },
})
