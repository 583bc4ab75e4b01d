import type { FastifyInstance } from 'fastify';
import type { Services } from '../../services.ts';
import { answerAudio } from '../audio-exchange.ts';
import { planTranslation } from '../plan-translation.ts';

/** The same spellings as the transcriptions have. */
export const TRANSLATION_PATHS = [
  '/v1/audio/translations',
  '/audio/translations',
  '/openai/v1/audio/translations',
  '/openai/deployments/:deployment/audio/translations',
] as const;

/** Speech in any language to English text. Refused where the model cannot: an untranslated transcript would look like success. */
export function addTranslationRoutes(app: FastifyInstance, services: Services): void {
  for (const url of TRANSLATION_PATHS)
    app.post<{ Params: { deployment?: string } }>(url, (request, reply) => {
      const { deployment } = request.params;
      return answerAudio({
        services,
        request,
        reply,
        deployment,
        endpoint: 'translations',
        plan: planTranslation,
      });
    });
}
