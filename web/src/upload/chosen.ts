/** The files that were chosen and not sent yet. */

export interface ChosenFile {
  id: string
  file: File
}

/** Return `chosen` and those of `files` that are not among them. */
export function addFiles(chosen: readonly ChosenFile[], files: readonly File[]): ChosenFile[] {
  const known = new Set(chosen.map(({ id }) => id))
  const added = files.map((file) => ({ id: `${file.name}/${file.size}/${file.lastModified}`, file }))
  return [...chosen, ...added.filter(({ id }) => !known.has(id) && known.add(id))]
}
