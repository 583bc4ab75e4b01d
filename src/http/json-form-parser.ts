import { StenographerError } from '../errors.ts';
import { Base64Decoder } from './base64-decoder.ts';
import type { PartHandler } from './multipart-parser.ts';

const MAXIMUM_TEXT_BYTES = 256 * 1024;
const MAXIMUM_DEPTH = 16;
/** Where the recording may stand, in base64 or as a data URL. */
const AUDIO_PATHS: ReadonlySet<string> = new Set(['input_audio.data', 'file']);

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/**
 * A JSON body `{model, input_audio: {data, format}, ...}` read in pieces, and told as the parts of a form: the recording goes to the part
 * `file` while it is decoded, so that memory stays bounded; everything else is kept as text and parsed at the end.
 *
 * A string is either copied to the text or, at one of {@link AUDIO_PATHS}, decoded and left empty in the text. Where a string stands is
 * known from the brackets and keys seen so far; whether the text is JSON at all is for `JSON.parse` to say.
 */
export class JsonFormParser {
  readonly #handler: PartHandler;
  readonly #text: Buffer[] = [];
  #textBytes = 0;
  /** The open objects and arrays: the key that is being filled, or null in an array. */
  readonly #open: (string | null)[] = [];
  #state: 'between' | 'string' | 'escape' | 'audio' = 'between';
  /** Bytes of the string at hand while it may be a key. */
  #string: number[] | undefined;
  #expectsKey = false;
  #audio: Base64Decoder | undefined;

  constructor(handler: PartHandler) {
    this.#handler = handler;
  }

  write(chunk: Buffer): void {
    let kept = 0;
    for (let index = 0; index < chunk.length; ) {
      if (this.#state === 'audio' && this.#audio !== undefined) {
        const end = this.#audio.write(chunk, index);
        index = end;
        kept = end;
        if (this.#audio.ended) this.#endAudio();
        continue;
      }
      const byte = chunk[index] ?? 0;
      index += 1;
      this.#read(byte);
      if (this.#state !== 'audio') continue;
      this.#keep(chunk.subarray(kept, index));
      kept = index;
    }
    this.#keep(chunk.subarray(kept));
  }

  finish(): void {
    if (this.#state !== 'between' || this.#open.length > 0)
      throw malformedJson('it ends before its last bracket');
    for (const [name, value] of formFields(parseObject(Buffer.concat(this.#text)))) {
      this.#handler.partBegin({ name, hasFilename: false, contentType: undefined });
      this.#handler.partData(Buffer.from(value));
      this.#handler.partEnd();
    }
  }

  /** One byte of everything but audio. */
  #read(byte: number): void {
    switch (this.#state) {
      case 'escape':
        this.#state = 'string';
        // A key with escapes in it is none of ours.
        this.#string?.push(0);
        return;
      case 'string':
        if (byte === QUOTE) this.#endString();
        else if (byte === BACKSLASH) this.#state = 'escape';
        else if (this.#string !== undefined && this.#string.length < 64) this.#string.push(byte);
        return;
      default:
        this.#readBetween(byte);
    }
  }

  #readBetween(byte: number): void {
    const character = String.fromCharCode(byte);
    if (character === '"') this.#beginString();
    else if (character === '{' || character === '[') {
      if (this.#open.length >= MAXIMUM_DEPTH)
        throw malformedJson(`it is nested deeper than ${MAXIMUM_DEPTH}`);
      this.#open.push(character === '{' ? '' : null);
      this.#expectsKey = character === '{';
    } else if (character === '}' || character === ']') {
      this.#open.pop();
      this.#expectsKey = false;
    } else if (character === ',') this.#expectsKey = this.#open.at(-1) !== null && this.#open.length > 0;
    else if (character === ':') this.#expectsKey = false;
  }

  #beginString(): void {
    this.#state = 'string';
    this.#string = this.#expectsKey ? [] : undefined;
    const path = this.#open.join('.');
    if (this.#expectsKey || this.#open.includes(null) || !AUDIO_PATHS.has(path)) return;
    if (this.#audio !== undefined) throw malformedJson('it holds more than one recording');
    this.#state = 'audio';
    this.#handler.partBegin({ name: 'file', hasFilename: true, contentType: undefined });
    this.#audio = new Base64Decoder(path, (bytes) => this.#handler.partData(bytes));
  }

  #endString(): void {
    this.#state = 'between';
    if (this.#string === undefined) return;
    this.#open[this.#open.length - 1] = Buffer.from(this.#string).toString('utf8');
    this.#string = undefined;
  }

  #endAudio(): void {
    this.#keep(Buffer.from('"'));
    this.#handler.partEnd();
    this.#state = 'between';
  }

  #keep(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#textBytes += bytes.length;
    if (this.#textBytes > MAXIMUM_TEXT_BYTES)
      throw malformedJson(`it has more than ${MAXIMUM_TEXT_BYTES} bytes besides the recording`);
    this.#text.push(Buffer.from(bytes));
  }
}

function parseObject(text: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text.toString('utf8'));
  } catch {
    throw malformedJson('it is not valid JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw malformedJson('it is not an object');
  return value as Record<string, unknown>;
}

/** A body's keys as the fields of a form: `x`, `x[]` for lists, `x[key]` for objects; null counts as absent. */
function formFields(body: Record<string, unknown>): (readonly [name: string, value: string])[] {
  return Object.entries(body).flatMap(([name, value]) => {
    if (name === 'file' || name === 'input_audio' || value === null) return [];
    if (Array.isArray(value)) return value.map((element) => [`${name}[]`, fieldText(element)] as const);
    if (typeof value === 'object')
      return Object.entries(value).map(([key, inner]) => [`${name}[${key}]`, fieldText(inner)] as const);
    return [[name, fieldText(value)] as const];
  });
}

function fieldText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

function malformedJson(reason: string): StenographerError {
  return new StenographerError('invalid_request', `The JSON body could not be read: ${reason}.`);
}
