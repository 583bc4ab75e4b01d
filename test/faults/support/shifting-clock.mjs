// Loaded before everything else (--import): the wall clock of this process is off by the seconds that a file says. What counts time by
// performance.now() sees nothing of it, as with a clock that somebody sets.
import { readFileSync } from 'node:fs';

const path = process.env.STUB_CLOCK_FILE ?? '';
const RealDate = Date;
let offsetMs = 0;
const look = () => {
  try {
    offsetMs = Number(readFileSync(path, 'utf8')) * 1000;
  } catch {
    offsetMs = 0;
  }
};
look();
setInterval(look, 20).unref();

globalThis.Date = class extends RealDate {
  constructor(...parts) {
    if (parts.length === 0) super(RealDate.now() + offsetMs);
    else super(...parts);
  }
  static now() {
    return RealDate.now() + offsetMs;
  }
};
