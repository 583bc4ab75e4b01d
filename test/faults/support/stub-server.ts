import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { loadConfig } from '../../../src/config.ts';
import { startServer } from '../../../src/http/server.ts';
import { createServices } from '../../../src/services.ts';

/** The product with a scripted engine in the place of the model, as a process of its own. Settings come from the environment. */
const { STUB_ENGINE, ...environment } = process.env;
const services = await createServices(loadConfig({ environment }), { engineEntry: STUB_ENGINE ?? '' });
const server = await startServer(services);
process.stdout.write(`listens on ${server.url}\n`);
// Memory that only waits for the collector is no growth: a test may ask for a collection.
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
process.on('SIGUSR2', () => {
  collect();
  process.stdout.write('collected\n');
});
process.once('SIGTERM', () => {
  void server
    .close()
    .then(() => services.close())
    .then(() => process.exit(0));
});
