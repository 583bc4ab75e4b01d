import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createManualClock } from '../../test/support/manual-clock.ts';
import { createHubRequester, redirectTarget } from './hub-request.ts';

describe('createHubRequester', () => {
  it('gives a hub up that announces answers (103) and never gives one', async () => {
    const clock = createManualClock();
    let announced = 0;
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      const announce = (): void => {
        if (socket.destroyed) return;
        announced += 1;
        socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n', () => setImmediate(announce));
      };
      socket.once('data', announce);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const requester = createHubRequester({ endpoint, clock });
    try {
      const asked = requester.request(endpoint);
      asked.catch(() => undefined);
      await expect.poll(() => announced).toBeGreaterThan(10);
      // A connection may take 20 s, the question and its answer 30 s each.
      await clock.advance(80);
      await expect(asked).rejects.toMatchObject({
        code: 'download_failed',
        transient: true,
        message: expect.stringContaining('did not answer in time'),
      });
    } finally {
      await requester.close();
      await new Promise((resolve) => server.close(resolve));
    }
  });
});

describe('redirectTarget', () => {
  const from = new URL('https://hub.example/a/b');

  it('is another place over https, named whole or from here', () => {
    expect(redirectTarget('https://files.example/x?sig=1', from).href).toBe('https://files.example/x?sig=1');
    expect(redirectTarget('/c', from).href).toBe('https://hub.example/c');
    expect(redirectTarget('//files.example/c', from).href).toBe('https://files.example/c');
  });

  it('never leads out of https, to another scheme, or with a password', () => {
    for (const location of [
      'http://files.example/x',
      'file:///etc/passwd',
      'data:,x',
      'https://u:p@files.example',
      'http://',
    ])
      expect(() => redirectTarget(location, from), location).toThrow(/hub\.example redirects/);
  });

  it('may leave a mirror that speaks http for both', () => {
    const mirror = new URL('http://mirror.example/');
    expect(redirectTarget('http://files.example/', mirror).host).toBe('files.example');
    expect(redirectTarget('https://files.example/', mirror).host).toBe('files.example');
  });
});
