import { describe, expect, it } from 'vitest';
import { redirectTarget } from './hub-request.ts';

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
