import type { FastifyInstance } from 'fastify';
import type { Services } from '../../services.ts';
import { answerAudio } from '../audio-exchange.ts';
import { planTranscription } from '../plan-transcription.ts';

/** OpenAI's path, the same without /v1, and Azure's two: with the model as deployment name, and like OpenAI's. */
export const TRANSCRIPTION_PATHS = [
  '/v1/audio/transcriptions',
  '/audio/transcriptions',
  '/openai/v1/audio/transcriptions',
  '/openai/deployments/:deployment/audio/transcriptions',
] as const;

export function addTranscriptionRoutes(app: FastifyInstance, services: Services): void {
  for (const url of TRANSCRIPTION_PATHS)
    app.post<{ Params: { deployment?: string } }>(url, (request, reply) => {
      const { deployment } = request.params;
      return answerAudio({
        services,
        request,
        reply,
        deployment,
        endpoint: 'transcriptions',
        plan: planTranscription,
      });
    });
}
