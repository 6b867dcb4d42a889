// The seed's design on Node: ws for the sockets, ioredis for the rest, message for message what seed_app.py does.
//
// A peer that `bench` measures. `npm install ws ioredis` is run in the bench's own folder, from where this is started:
//     PORT=8000 REDIS_URL=redis://… node seed_node.mjs

import { createRequire } from "node:module";

const require = createRequire(`${process.cwd()}/`);
const { WebSocketServer } = require("ws");
const Redis = require("ioredis");

const redis = new Redis(process.env.REDIS_URL);
const answers = new Redis(process.env.REDIS_URL);
const connections = new Map();

const tell = (sessionId, message) => connections.get(sessionId)?.send(JSON.stringify(message));

await answers.subscribe("llm_responses");
answers.on("message", (_channel, data) => {
  const { session_id, response } = JSON.parse(data);
  tell(session_id, response);
});

async function hear(sessionId, message) {
  redis.setex(`activity:${sessionId}`, 300, Date.now() / 1000);
  if (message.type === "STUDENT_INTERRUPTION") {
    await redis.publish("student_questions", JSON.stringify({ session_id: sessionId, message }));
    tell(sessionId, { type: "INTERRUPTION_ACKNOWLEDGED", timestamp: Date.now() / 1000 });
  } else if (message.type === "BROADCAST") {
    const { classId, text } = message.payload;
    for (const id of await redis.smembers(`class:${classId}`)) tell(id, { type: "CLASS_BROADCAST", payload: { text } });
  }
}

new WebSocketServer({ port: Number(process.env.PORT), host: "127.0.0.1", perMessageDeflate: false, backlog: 2048 })
  .on("connection", async (socket, request) => {
    const sessionId = request.url.split("?")[0].split("/").pop();
    connections.set(sessionId, socket);
    socket.on("message", (data) => hear(sessionId, JSON.parse(data)));
    socket.on("error", () => {});
    socket.on("close", () => connections.get(sessionId) === socket && connections.delete(sessionId));
    const state = await redis.get(`session:${sessionId}`);
    if (state) socket.send(JSON.stringify({ type: "SESSION_RESTORED", payload: JSON.parse(state) }));
  });
