import helmet from '@fastify/helmet';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  LogController,
} from 'fastify';
import type { Services } from '../services.ts';
import { answerClientError } from './client-error.ts';
import { limitConnections } from './connection-limits.ts';
import { errorAnswer } from './error-response.ts';
import { holdContinue } from './expect-continue.ts';
import { addAccessLogHook } from './hooks/access-log.ts';
import { addAuthHook } from './hooks/auth.ts';
import { addBrowserGuardHook } from './hooks/browser-guard.ts';
import { addClientGoneHook } from './hooks/client-gone.ts';
import { addContentEncodingHook } from './hooks/content-encoding.ts';
import { addRequestIdHooks, newRequestId } from './hooks/request-id.ts';
import { addSlowReaderHook } from './hooks/slow-reader.ts';
import { addUnreadBodyHook } from './hooks/unread-body.ts';
import { addHealthRoutes } from './routes/health.ts';
import { addMetricsRoute } from './routes/metrics.ts';
import { addModelAdminRoutes } from './routes/model-admin.ts';
import { addModelResidencyRoutes } from './routes/model-residency.ts';
import { addModelRoutes } from './routes/models.ts';
import { addNotFoundRoutes } from './routes/not-found.ts';
import { addPageRoutes } from './routes/page.ts';
import { addTranscriptionRoutes } from './routes/transcriptions.ts';
import { addTranslationRoutes } from './routes/translations.ts';
import { addUsageRoute } from './routes/usage.ts';

/** The HTTP side of the server: hooks in the order they run, then routes. It listens nowhere yet. */
export async function buildApp(services: Services): Promise<FastifyInstance> {
  const { config, keys } = services;
  const app = createFastify(services);
  holdContinue(app.server);
  limitConnections(app.server, {
    maximum: config.maxConnections,
    perAddress: config.maxConnectionsPerAddress,
    onRefused: (setting) => app.log.warn({ setting }, 'connections beyond the limit are closed unanswered'),
  });

  addRequestIdHooks(app);
  addClientGoneHook(app);
  addAccessLogHook(app, services.metrics);
  await app.register(helmet, HEADERS);
  addBrowserGuardHook(app, { keys, host: config.host });
  addContentEncodingHook(app);
  addAuthHook(app, services);
  addUnreadBodyHook(app);
  addSlowReaderHook(app, { idleSeconds: config.readIdleSeconds });
  app.setErrorHandler((error, request, reply) => {
    services.metrics.rejections.inc({ code: errorAnswer(error).body.error.code ?? 'none' });
    return sendError(error, request, reply);
  });

  addHealthRoutes(app, services);
  addModelRoutes(app, services.modelListing);
  addModelAdminRoutes(app, services);
  addModelResidencyRoutes(app, services);
  addTranscriptionRoutes(app, services);
  addTranslationRoutes(app, services);
  addUsageRoute(app, services);
  if (config.metrics !== 'off') addMetricsRoute(app, services.metrics);
  await addPageRoutes(app, { docs: config.docs });
  addNotFoundRoutes(app);
  await app.ready();
  return app;
}

function createFastify({ logger }: Services): FastifyInstance {
  const app = Fastify({
    loggerInstance: logger as FastifyBaseLogger,
    // hooks/access-log.ts writes the one line a request.
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: newRequestId,
    requestIdHeader: false,
    trustProxy: false,
    // Refusals while shutting down are ours, in the usual shape.
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    keepAliveTimeout: 72_000,
    // The longest an upload may take; its pace is watched in upload.ts, every other body is refused unread.
    requestTimeout: 3_600_000,
    http: { headersTimeout: 15_000, connectionsCheckingInterval: 2000, maxHeaderSize: 16 * 1024 },
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, maxParamLength: 256 },
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => {
      reply.header('x-request-id', request.id);
      void sendError(error, request, reply as FastifyReply);
    },
  });
  // Bodies are read by upload.ts straight from the socket, so that nothing is held in memory.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _body, done) => done(null));
  return app;
}

/** Answers carry no cookies and load nothing; the documentation page sets a policy of its own. */
const HEADERS = {
  contentSecurityPolicy: {
    useDefaults: false,
    directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
  },
  frameguard: { action: 'deny' as const },
  // The server speaks plain HTTP; whoever puts TLS in front decides on this.
  strictTransportSecurity: false,
};

function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { status, headers, body } = errorAnswer(error);
  if (status === 500) request.log.error({ err: error }, 'request failed');
  else if (body.error.code === 'store_unavailable') request.log.error({ err: error }, 'the store failed');
  else if (status === 507) request.log.warn('no disk space left for an upload');
  return reply
    .code(status)
    .headers({ ...headers, 'content-type': 'application/json' })
    .send(Buffer.from(JSON.stringify(body)));
}
