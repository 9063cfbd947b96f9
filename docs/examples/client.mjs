// Ask a workstation: node client.mjs wss://tunnel.example.org/ws TUNNEL_ID AUTH_KEY "help me"
const [url, tunnel_id, auth_key, command] = process.argv.slice(2);

function ask(url, tunnel_id, auth_key, command) {
  const device = { auth_key, device_id: "example-javascript" };
  const socket = new WebSocket(url); // of browsers, and of Node 22 or later
  const send = (type, fields) => socket.send(JSON.stringify({ type, ...fields }));
  return new Promise((resolve, reject) => {
    socket.onopen = () => send("connect", { payload: { tunnel_id, ...device } });
    socket.onclose = () => reject(new Error("closed before the answer was complete"));
    socket.onmessage = ({ data }) => {
      const { type, payload } = JSON.parse(data);
      if (type === "connected") send("auth", { payload: device });
      if (type === "auth.success") send("supervisor.command", { id: "1", payload: { command } });
      if (type === "supervisor.output" && payload.is_complete) resolve(payload.content);
      if (type === "error" || type === "auth.error") reject(new Error(`${payload.code}: ${payload.message}`));
    };
    // The server closes a socket that is silent for 15 s.
    const pings = setInterval(() => socket.readyState === 1 && send("ping", { timestamp: Date.now() }), 5000);
    socket.addEventListener("close", () => clearInterval(pings));
  }).finally(() => socket.close());
}

console.log(await ask(url, tunnel_id, auth_key, command));
