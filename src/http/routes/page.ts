import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import { ICON, LOGO } from '../logo.ts';
import { openApiDocument } from '../openapi.ts';

/** Scripts and styles come from this server alone; nothing inline runs. Swagger UI carries its icons as data. */
const PAGE_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; " +
  "base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

export const OPENAPI_PATH = '/openapi.json';

/** The OpenAPI document, and with `docs` a page that shows it. */
export async function addPageRoutes(app: FastifyInstance, { docs }: { docs: boolean }): Promise<void> {
  const document = openApiDocument();
  const body = Buffer.from(JSON.stringify(document));
  app.get(OPENAPI_PATH, (_request, reply) => reply.header('content-type', 'application/json').send(body));
  if (!docs) return;
  // The plugin's types end at OpenAPI 3.0; it passes the document on as it is.
  await app.register(swagger, { mode: 'static', specification: { document: document as never } });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: PAGE_POLICY,
    logo: { type: 'image/svg+xml', content: LOGO, href: 'docs' },
    theme: {
      title: 'Stenographer API',
      favicon: [{ filename: 'icon.svg', rel: 'icon', type: 'image/svg+xml', sizes: 'any', content: ICON }],
    },
    uiConfig: { deepLinking: true, displayRequestDuration: true },
  });
}
