/** Damages a media file: flipped bits, a burst, a cut, a piece moved or doubled, a piece lost, a length field set to something wild. */
export function mutate(original: Buffer, random: () => number): Buffer {
  const below = (limit: number) => Math.floor(random() * limit);
  const bytes = Buffer.from(original);
  // Half of the damage is done to the headers, where it matters most.
  const place = () => below(random() < 0.5 ? Math.min(256, bytes.length) : bytes.length);
  switch (below(6)) {
    case 0:
      for (let flips = 1 + below(20); flips > 0; flips -= 1) {
        const at = place();
        bytes[at] = (bytes[at] ?? 0) ^ (1 << below(8));
      }
      return bytes;
    case 1: {
      const at = place();
      return bytes.fill(below(256), at, at + 1 + below(64));
    }
    case 2:
      return bytes.subarray(0, place());
    case 3: {
      const [from, to] = [place(), place()];
      return Buffer.concat([
        bytes.subarray(0, to),
        bytes.subarray(from, from + below(2_000)),
        bytes.subarray(to),
      ]);
    }
    case 4: {
      const at = place();
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + below(500))]);
    }
    default: {
      const values = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];
      const at = Math.min(place(), Math.max(0, bytes.length - 4));
      const value = values[below(values.length)] ?? 0;
      if (random() < 0.5) bytes.writeUInt32LE(value, at);
      else bytes.writeUInt32BE(value, at);
      return bytes;
    }
  }
}
