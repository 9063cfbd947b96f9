// What the relays on Node and Bun have in common: they treat each message as such servers commonly do: parse it,
// put device_id in, serialise it, forward it. A socket is anything with send(text).
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

/** Return the reader of a new socket's messages, each a text of JSON. */
export function reader(socket) {
  let handle = (message) => {
    handle = message.type === "workstation.register" ? workstation(socket) : client(socket, message.payload);
  };
  return (text) => {
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return;
    }
    if (message.type === "ping") socket.send(JSON.stringify({ type: "pong", timestamp: message.timestamp }));
    else handle(message);
  };
}
