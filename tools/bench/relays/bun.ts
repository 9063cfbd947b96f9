// The same relay on Bun's own server (uWebSockets): bun bun.ts PORT
import { reader } from "./tunnels.mjs";

Bun.serve({
  hostname: "127.0.0.1",
  port: Number(process.argv[2]),
  fetch: (request, server) =>
    server.upgrade(request, { data: {} }) ? undefined : new Response("", { status: 426 }),
  websocket: {
    maxPayloadLength: 1 << 26,
    backpressureLimit: 1 << 28,
    idleTimeout: 0,
    perMessageDeflate: false,
    open(socket) {
      socket.data.read = reader(socket);
    },
    message(socket, data) {
      socket.data.read(data);
    },
  },
});
