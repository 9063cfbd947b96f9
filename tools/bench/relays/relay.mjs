// A minimal relay on Node's `ws` that treats each frame as such servers commonly do:
// parse it, put device_id in, serialise it, forward it.  node relay.mjs PORT
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";

const { WebSocketServer } = createRequire(process.env.WS_FOLDER + "/")("ws");
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

new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), maxPayload: 1 << 26, backlog: 4096 }).on(
  "connection",
  (socket) => {
    let handle = (message) => {
      handle = message.type === "workstation.register" ? workstation(socket) : client(socket, message.payload);
    };
    socket.on("message", (data) => {
      let message;
      try {
        message = JSON.parse(data.toString());
      } catch {
        return;
      }
      if (message.type === "ping") socket.send(JSON.stringify({ type: "pong", timestamp: message.timestamp }));
      else handle(message);
    });
  },
);
