import { Buffer } from 'node:buffer';
import { type ServerResponse, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { newRequestId } from './hooks/request-id.ts';
import type { ErrorResponse } from './schemas/error.ts';

interface Fault {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

const FAULTS: Readonly<Record<string, Fault>> = {
  HPE_HEADER_OVERFLOW: {
    status: 431,
    code: 'invalid_request',
    message: 'The request headers are larger than 16384 bytes.',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    code: 'upload_timeout',
    message: 'The request took too long to arrive.',
  },
};

const MALFORMED: Fault = {
  status: 400,
  code: 'invalid_request',
  message: 'The request is not well-formed HTTP.',
};

/** Bytes that Node's parser refuses never reach a route: they get the usual error shape here, then the connection ends. */
export function answerClientError(error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable || answerHasBegun(socket)) {
    socket.destroy();
    return;
  }
  const { status, code, message } = FAULTS[error.code ?? ''] ?? MALFORMED;
  const envelope: ErrorResponse = { error: { message, type: 'invalid_request_error', param: null, code } };
  const body = JSON.stringify(envelope);
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${newRequestId()}`,
    'x-content-type-options: nosniff',
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`, () => socket.destroy());
}

/** Node keeps the response in flight on the socket, without a public name for it. */
function answerHasBegun(socket: Socket): boolean {
  const response = (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage;
  return response?.headersSent === true;
}
