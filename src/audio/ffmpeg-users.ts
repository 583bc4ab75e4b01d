import { type FileHandle, open } from 'node:fs/promises';

/** Users for decoders that run at the same time; with more decoders than that some share one. */
export const FFMPEG_USERS = 200;

const taken = new Set<number>();

/**
 * A user id from `first` on that no other decoder of this server has now, so that one that was taken over can neither watch another
 * nor open its file. Disposing gives it back.
 */
export function takeFfmpegUser(first: number): { readonly id: number } & Disposable {
  const free = Array.from({ length: FFMPEG_USERS }, (_, index) => first + index).find((id) => !taken.has(id));
  if (free === undefined)
    return { id: first + Math.floor(Math.random() * FFMPEG_USERS), [Symbol.dispose]: () => undefined };
  taken.add(free);
  return { id: free, [Symbol.dispose]: () => void taken.delete(free) };
}

/** Users that decoders run as, and whoever wants to know that a file system does not take part. */
export interface FfmpegUsers {
  readonly first: number;
  /** Called with the system's error when a recording cannot be given to a user, each time. */
  readonly onRefused?: ((error: unknown) => void) | undefined;
}

/**
 * Opens a recording and gives it to the user: opening it once more through its descriptor asks for the rights on the file, not on the
 * folders above. Undefined where the file system refuses other owners; all other guards stay.
 */
export async function openForUser(
  path: string,
  userId: number,
  { onRefused }: FfmpegUsers,
): Promise<FileHandle | undefined> {
  const file = await open(path, 'r');
  try {
    await file.chown(userId, userId);
    return file;
  } catch (error) {
    await file.close();
    onRefused?.(error);
    return undefined;
  }
}
