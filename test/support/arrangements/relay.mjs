// node relay.mjs <address> <port> <socket>: takes connections in a network namespace to a socket in the file system.
import { connect, createServer } from 'node:net';

const [address, port, socket] = process.argv.slice(2);
createServer((client) => {
  const server = connect(socket);
  client.on('error', () => server.destroy());
  server.on('error', () => client.destroy());
  client.pipe(server).pipe(client);
}).listen(Number(port), address, () => console.log('ready'));
