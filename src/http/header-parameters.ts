/** A header value with parameters, as in `form-data; name="file"; filename="a b.wav"`. Names and the main value are lower-case. */
export interface ParametrisedHeader {
  readonly value: string;
  readonly parameters: ReadonlyMap<string, string>;
}

// Quoted or bare values: .NET sends bare names and quotes the boundary; curl and browsers do it the other way round.
const PARAMETER = /\s*;\s*(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^";]*))?/y;

/** Reads a header value; undefined when it is not of that form or repeats a parameter. */
export function parseParametrisedHeader(header: string): ParametrisedHeader | undefined {
  const end = header.indexOf(';');
  const value = (end === -1 ? header : header.slice(0, end)).trim().toLowerCase();
  const parameters = new Map<string, string>();
  let position = end === -1 ? header.length : end;
  while (position < header.length) {
    PARAMETER.lastIndex = position;
    const match = PARAMETER.exec(header);
    if (match === null) return header.slice(position).trim() === '' ? { value, parameters } : undefined;
    position = PARAMETER.lastIndex;
    const name = match[1]?.toLowerCase();
    if (name === undefined) continue;
    if (parameters.has(name)) return undefined;
    parameters.set(name, unquote(match[2] ?? ''));
  }
  return { value, parameters };
}

function unquote(text: string): string {
  return text.startsWith('"') ? text.slice(1, -1).replace(/\\(.)/g, '$1') : text.trim();
}
