/** Whether a host name or address, with or without brackets, can only mean this machine. */
export function isLoopbackHost(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[|\]$/g, '');
  return (
    name === 'localhost' ||
    name.endsWith('.localhost') ||
    name === '::1' ||
    /^127(?:\.\d{1,3}){3}$/.test(name)
  );
}

/** Host name of a Host header or an origin; undefined when it cannot be read. */
export function hostNameOf(authority: string): string | undefined {
  try {
    return new URL(authority.includes('://') ? authority : `http://${authority}`).hostname;
  } catch {
    return undefined;
  }
}
