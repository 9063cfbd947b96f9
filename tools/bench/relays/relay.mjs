// A minimal relay on Node's `ws`: node relay.mjs PORT
import { createRequire } from "node:module";
import { reader } from "./tunnels.mjs";

const { WebSocketServer } = createRequire(process.env.WS_FOLDER + "/")("ws");

new WebSocketServer({ host: "127.0.0.1", port: Number(process.argv[2]), maxPayload: 1 << 26, backlog: 4096 }).on(
  "connection",
  (socket) => {
    const read = reader(socket);
    socket.on("message", (data) => read(data.toString()));
  },
);
