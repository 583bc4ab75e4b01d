import { describe, expect, it } from 'vitest';
import { createStoredKey, generateApiKey, keyForm } from './api-key.ts';
import { createMemoryStore } from './memory-store.ts';
import { hashWithPepper } from './pepper.ts';

describe('generateApiKey', () => {
  it('R21 is a prefix, 256 random bits and a checksum, in letters and digits', () => {
    const keys = Array.from({ length: 1000 }, generateApiKey);
    for (const key of keys) expect(key).toMatch(/^steno_[0-9A-Za-z]{49}$/);
    expect(new Set(keys).size).toBe(1000);
    // 43 digits of base 62 hold 256 bits: each digit but the first takes every value.
    for (let digit = 7; digit < 49; digit += 1)
      expect(new Set(keys.map((key) => key[digit])).size, `digit ${digit}`).toBe(62);
  });
});

describe('keyForm', () => {
  it('tells ours from foreign and from damaged ones', () => {
    const key = generateApiKey();
    expect(keyForm(key)).toBe('complete');
    expect(keyForm('sk-0123456789')).toBe('foreign');
    expect(keyForm('')).toBe('foreign');
    expect(keyForm('steno_')).toBe('damaged');
    expect(keyForm(key.slice(0, -1))).toBe('damaged');
    expect(keyForm(`${key}0`)).toBe('damaged');
    for (let at = 6; at < key.length; at += 1) {
      const other = key[at] === 'a' ? 'b' : 'a';
      expect(keyForm(key.slice(0, at) + other + key.slice(at + 1))).toBe('damaged');
    }
  });
});

describe('createStoredKey', () => {
  it('R21 stores a peppered hash and nothing of the key', () => {
    const store = createMemoryStore();
    const pepper = Buffer.alloc(32, 7);
    const { key, row } = createStoredKey(
      { name: 'laptop', scope: 'user', limits: { requestsPerMinute: 5 } },
      { store, pepper },
    );
    expect(store.listKeys()).toEqual([row]);
    expect(row).toMatchObject({ name: 'laptop', scope: 'user', requestsPerMinute: 5 });
    expect(row.id).toMatch(/^key_[0-9a-f]{12}$/);
    expect(row.hash).toBe(hashWithPepper(pepper, key));
    expect(row.hash).not.toBe(hashWithPepper(Buffer.alloc(32, 8), key));
    expect(JSON.stringify(row)).not.toContain(key.slice(6, 14));
  });
});
