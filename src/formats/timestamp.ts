/** `HH:MM:SS,mmm` (srt) or `HH:MM:SS.mmm` (vtt): hours always there, milliseconds rounded to the nearest. */
export function formatTimestamp(second: number, decimalMark: ',' | '.'): string {
  const totalMs = Math.max(0, Math.round(second * 1000));
  const hours = Math.floor(totalMs / 3_600_000);
  const minutes = Math.floor(totalMs / 60_000) % 60;
  const seconds = Math.floor(totalMs / 1000) % 60;
  return `${pad(hours, 2)}:${pad(minutes, 2)}:${pad(seconds, 2)}${decimalMark}${pad(totalMs % 1000, 3)}`;
}

/** Seconds as they stand in JSON: three decimals. */
export function roundToMilliseconds(second: number): number {
  return Math.round(second * 1000) / 1000;
}

function pad(value: number, digits: number): string {
  return String(value).padStart(digits, '0');
}
