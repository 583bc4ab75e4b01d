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
