import { type AnswerHeaders, ConnectionError, type RawAnswer } from './upstream-client.ts';
import { jsonObject, readWireError, toldSeconds, type WireError } from './wire.ts';

/** A day of speech as verbose_json with words has some 15 MB. */
const MAXIMUM_ANSWER_BYTES = 32 * 1024 * 1024;
const MAXIMUM_REFUSAL_BYTES = 64 * 1024;
/** A refusal's words are not worth waiting for. */
const REFUSAL_MS = 5000;

/** What our side of a request's answer is. */
export interface AnswerFacts {
  readonly status: number;
  readonly contentType: string | undefined;
  /** The service's own id of the request. */
  readonly requestId: string | undefined;
  /** What a Stenographer says besides its answer. */
  readonly warnings: readonly string[];
}

export interface WholeAnswer extends AnswerFacts {
  readonly kind: 'whole';
  readonly body: Buffer;
  /** Seconds of audio, where the answer tells them. */
  readonly toldSecond: number | undefined;
}

/** The request was wrong, in the service's judgement. */
export interface Refusal extends AnswerFacts {
  readonly kind: 'refused';
  /** Undefined when the service gave no reason that can be read. */
  readonly error: WireError | undefined;
}

/** A JSON answer is read to its end and checked before a byte of it is passed on: until then another attempt is possible. */
export async function readWhole(answer: RawAnswer, responseFormat: string): Promise<WholeAnswer> {
  const body = await readBytes(answer, MAXIMUM_ANSWER_BYTES);
  const facts = answerFacts(answer);
  const isHtml = /^\s*(?:text\/html|application\/xhtml)/i.test(facts.contentType ?? '');
  if (!JSON_FORMATS.has(responseFormat)) {
    if (isHtml) throw new ConnectionError('invalid', 'html');
    return { ...facts, kind: 'whole', body, toldSecond: undefined };
  }
  const value = jsonObject(body.toString('utf8'));
  if (value === undefined) throw new ConnectionError('invalid', isHtml ? 'html' : 'not_json');
  if (typeof value.error === 'object' && value.error !== null && value.text === undefined)
    throw new ConnectionError('invalid', 'error_with_status_200');
  const isJson = /^\s*application\/(?:[\w.-]+\+)?json\b/i.test(facts.contentType ?? '');
  return {
    ...facts,
    // Official clients hand JSON of any other type to their callers as a text.
    contentType: isJson ? facts.contentType : 'application/json',
    kind: 'whole',
    body,
    toldSecond: toldSeconds(value),
  };
}

const JSON_FORMATS: ReadonlySet<string> = new Set(['json', 'verbose_json', 'diarized_json']);

/** The words of an answer that is no success. Never throws: the status counts, whatever becomes of its body. */
export async function readRefusal(answer: RawAnswer): Promise<Refusal> {
  const timer = setTimeout(answer.cancel, REFUSAL_MS);
  const body = await readBytes(answer, MAXIMUM_REFUSAL_BYTES).catch(() => Buffer.alloc(0));
  clearTimeout(timer);
  return { ...answerFacts(answer), kind: 'refused', error: readWireError(body.toString('utf8')) };
}

async function readBytes(answer: RawAnswer, maximumBytes: number): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of answer.body) {
    bytes += piece.length;
    if (bytes > maximumBytes) {
      answer.cancel();
      throw new ConnectionError('invalid', 'too_large');
    }
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

export function answerFacts({ status, headers }: RawAnswer): AnswerFacts {
  return {
    status,
    contentType: header(headers, 'content-type'),
    requestId: printable(header(headers, 'x-request-id')),
    warnings: [headers['x-steno-warning'] ?? []].flat(),
  };
}

export function header(headers: AnswerHeaders, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function printable(text: string | undefined): string | undefined {
  const cut = text?.replace(/[^\x21-\x7e]/g, '').slice(0, 200);
  return cut === '' ? undefined : cut;
}
