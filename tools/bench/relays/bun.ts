// The relay of relay.mjs on Bun's own server (uWebSockets): bun bun.ts PORT
import { randomBytes } from "node:crypto";

const tunnels = new Map();

function workstation(socket) {
  const id = randomBytes(6).toString("hex");
  const tunnel = { socket, devices: new Map() };
  tunnels.set(id, tunnel);
  socket.send(JSON.stringify({ type: "workstation.registered", payload: { tunnel_id: id } }));
  return (message) => {
    if (message.type === "forward.to_device") {
      tunnel.devices.get(message.device_id)?.send(message.payload);
      return;
    }
    const text = JSON.stringify(message);
    for (const device of tunnel.devices.values()) device.send(text);
  };
}

function client(socket, { tunnel_id, device_id }) {
  const tunnel = tunnels.get(tunnel_id);
  tunnel.devices.set(device_id, socket);
  socket.send(JSON.stringify({ type: "connected", payload: { tunnel_id } }));
  return (message) => {
    message.device_id = device_id;
    tunnel.socket.send(JSON.stringify(message));
  };
}

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
    message(socket, data) {
      let message;
      try {
        message = JSON.parse(data);
      } catch {
        return;
      }
      const { handle } = socket.data;
      if (message.type === "ping") {
        socket.send(JSON.stringify({ type: "pong", timestamp: message.timestamp }));
      } else if (handle) {
        handle(message);
      } else {
        socket.data.handle =
          message.type === "workstation.register" ? workstation(socket) : client(socket, message.payload);
      }
    },
  },
});
