import { Agent, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface WayIn {
  url: string;
  close(): Promise<void>;
}

/**
 * A server on loopback that hands every request to the ingress at `gateway`, in the name of `host`. So whatever takes a URL
 * can talk to a Service whose name does not resolve here.
 */
export async function openWayIn(gateway: string, host: string): Promise<WayIn> {
  const agent = new Agent({ keepAlive: true });
  const { hostname, port } = new URL(gateway);
  const server = createServer((incoming, answer) => {
    const { method, url: path, headers } = incoming;
    const options = { hostname, port: port || 80, method, path, headers: { ...headers, host }, agent };
    const outgoing = request(options, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(answer);
    });
    // What breaks off on one side breaks off on the other.
    outgoing.once('error', () => answer.destroy());
    answer.once('close', () => outgoing.destroy());
    incoming.pipe(outgoing);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      agent.destroy();
    },
  };
}
