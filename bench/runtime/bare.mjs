import { createServer } from 'node:http';

/** What Node alone can do: parses and writes JSON, and checks and validates nothing. */
createServer(async (request, response) => {
  let text = '';
  for await (const part of request) text += part;
  const input = JSON.parse(text);
  if (!request.headers['ce-id']) {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(input));
    return;
  }
  const body = JSON.stringify({ ...input, chunks: 1, generation: 'g' });
  response
    .writeHead(200, {
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': request.headers['ce-id'],
      'ce-source': '/knarr/embed',
      'ce-type': 'dev.knarr.document.indexed.v1',
    })
    .end(body);
}).listen(Number(process.env.PORT), '127.0.0.1');
