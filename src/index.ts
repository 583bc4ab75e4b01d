// The parts for use inside another program; the command line (`steno`) and the HTTP API need none of this.

// Recordings to transcripts.
export type { AudioSource } from './audio/audio.ts';
// Start everything from a configuration.
export { type Config, type ConfigSources, loadConfig } from './config.ts';
// What can go wrong.
export { type ErrorCode, StenographerError } from './errors.ts';
export { startServer } from './http/server.ts';
export type { Readiness } from './services/readiness.ts';
export { type CreateServicesOptions, createServices, type Services } from './services.ts';
export {
  collectTranscript,
  type TranscribeOptions,
  type Transcriber,
  type TranscriptEvent,
} from './transcribe/transcriber.ts';
export type { Segment, Transcript, Word } from './transcript.ts';
