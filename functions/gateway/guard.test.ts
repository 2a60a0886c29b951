import { expect, test } from 'vitest';
import { isLoopback, refuseOpenBinding, refuseStrangers } from './guard.ts';

test('only loopback names are this machine', () => {
  for (const host of ['localhost', 'a.localhost', '127.0.0.1', '127.9.9.9', '::1', '[::1]']) {
    expect(isLoopback(host), host).toBe(true);
  }
  for (const host of ['', '0.0.0.0', '::', 'localhost.example.org', '127.0.0.1.example.org', '10.0.0.1']) {
    expect(isLoopback(host), host).toBe(false);
  }
});

test('without authentication a server listens on loopback only', () => {
  expect(() => refuseOpenBinding('0.0.0.0', false)).toThrow('listens on loopback only');
  expect(() => refuseOpenBinding('', false)).toThrow('every address');
  refuseOpenBinding('127.0.0.1', false);
  refuseOpenBinding('0.0.0.0', true);
});

const request = (method: string, headers: Record<string, string>) =>
  new Request('http://127.0.0.1:8080/v1/documents', { method, headers });

test('a rebound name and pages of other origins are refused', () => {
  expect(() => refuseStrangers(request('GET', { host: 'evil.example:8080' }))).toThrow('loopback name');
  const strangers: Record<string, string>[] = [
    { host: 'localhost:8080', origin: 'https://evil.example' },
    { host: 'localhost:8080', origin: 'http://localhost:3000' },
    { host: 'localhost:8080', origin: 'null' },
    { host: 'localhost:8080', 'sec-fetch-site': 'cross-site' },
  ];
  for (const headers of strangers) {
    expect(() => refuseStrangers(request('POST', headers)), JSON.stringify(headers)).toThrow('other origins');
  }
});

test('programs of this machine and its own pages are let in', () => {
  refuseStrangers(request('POST', { host: 'localhost:8080' }));
  refuseStrangers(request('POST', { host: '[::1]:8080', origin: 'http://[::1]:8080' }));
  refuseStrangers(request('GET', { host: 'localhost:8080', origin: 'https://evil.example' }));
});
