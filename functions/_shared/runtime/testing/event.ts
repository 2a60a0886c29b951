import { eventType } from '../../events.ts';

/** A `document.accepted` of tenant `acme` in binary mode; `more` are further headers, or others in their place. */
export const documentAccepted = (url: string, data: unknown, more: Record<string, string> = {}): Request =>
  new Request(url, {
    method: 'POST',
    body: JSON.stringify(data),
    headers: {
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': '1',
      'ce-source': '/test',
      'ce-type': eventType('document.accepted'),
      'ce-tenant': 'acme',
      ...more,
    },
  });
