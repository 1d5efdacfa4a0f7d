/** The floor: node:http2 alone, which takes a stream on each connection, answers with headers and one message, and throws away what comes. */
import { createServer } from 'node:http2';

const server = createServer();
server.on('session', (session) => session.on('error', () => session.destroy()));
server.on('stream', (stream, headers) => {
  stream.on('error', () => undefined);
  if (headers[':path']?.endsWith('/Join')) {
    stream.respond({ ':status': 200 }, { endStream: true });
    return;
  }
  stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' });
  // A message of one byte: what players of the bench take for a Welcome.
  stream.write(Buffer.from([0, 0, 0, 0, 1, 0]));
  stream.resume();
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.send?.({ port: typeof address === 'object' ? address?.port : undefined });
});
