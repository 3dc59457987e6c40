/** What somebody dropped or chose: files, and folders with what is in them. */

export interface Dropped {
  readonly name: string;
  /** `path` is below a folder, and empty for a file by itself. */
  readonly files: readonly { readonly path: string; readonly file: File }[];
}

/** To be called while the event is handled: afterwards its items are gone. */
export function droppedFrom({ items }: DataTransfer): Promise<Dropped[]> {
  return Promise.all([...items].flatMap((item) => droppedItem(item) ?? []));
}

function droppedItem(item: DataTransferItem): Promise<Dropped> | Dropped | null {
  const entry = item.webkitGetAsEntry();
  if (entry !== null) return filesIn(entry, '').then((files) => ({ name: entry.name, files }));
  const file = item.getAsFile(); // of what is on no disk, such as a picture of another page
  return file && { name: file.name, files: [{ path: '', file }] };
}

async function filesIn(entry: FileSystemEntry, path: string): Promise<{ path: string; file: File }[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((done, fail) => (entry as FileSystemFileEntry).file(done, fail));
    return [{ path, file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const files: { path: string; file: File }[] = [];
  for (;;) {
    // It gives a hundred at a time, and none at the end.
    const some = await new Promise<FileSystemEntry[]>((done, fail) => reader.readEntries(done, fail));
    if (some.length === 0) return files;
    for (const one of some)
      files.push(...(await filesIn(one, path === '' ? one.name : `${path}/${one.name}`)));
  }
}

/** Of a dialog: files by themselves, or all of one folder, whose paths begin with its name. */
export function pickedFrom(list: FileList | readonly File[]): Dropped[] {
  const folders = new Map<string, { path: string; file: File }[]>();
  const alone: Dropped[] = [];
  for (const file of list) {
    const [folder = '', ...rest] = file.webkitRelativePath.split('/');
    if (rest.length === 0) alone.push({ name: file.name, files: [{ path: '', file }] });
    else {
      const files = folders.get(folder) ?? [];
      files.push({ path: rest.join('/'), file });
      folders.set(folder, files);
    }
  }
  return [...alone, ...[...folders].map(([name, files]) => ({ name, files }))];
}
