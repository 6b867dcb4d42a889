/* The teacher's room: what each message changes and which part of the page shows it. */

import { indicator } from "./connection.js";
import { _ } from "./i18n.js";
import { ClassTools } from "./room/class-tools.js";
import { openable } from "./room/door.js";
import { Names } from "./room/names.js";
import { QuestionList } from "./room/questions.js";
import { byId, setText } from "./room/rows.js";
import { Say } from "./room/say.js";
import { shortcuts } from "./room/shortcuts.js";
import { isOpen, RoomState } from "./room/state.js";
import { StudentList } from "./room/students.js";
import { Tabs } from "./room/tabs.js";
import { TextMap } from "./room/text-map.js";
import { setClock } from "./room/when.js";
import { connect } from "./socket.js";

const TIMES_EVERY = 20_000;

const config = JSON.parse(byId("room-config").textContent);
const room = new RoomState({ snapshot: config.state });
const socket = connect({
  path: config.socketPath,
  snapshotType: "CLASSROOM_STATE",
  signInUrl: byId("main").dataset.signInUrl,
  noLongerMine: () => _("This class is no longer yours. Please go back to My classes."),
  onState: indicator(byId("connection")),
});
const names = new Names(room);
const { nameOf, isForThisScreen } = names;
const urlOf = (enrollmentId) => config.studentUrl.replace("/students/0/", `/students/${enrollmentId}/`);

const tabs = new Tabs();
const students = new StudentList({ room, nameOf, urlOf, showsQuestions: () => !names.areHidden });
const questions = new QuestionList({ room, nameOf, urlOf, isForThisScreen, onPlace: showPlace });
const text = new TextMap({
  room,
  paragraphsUrl: (textId) => config.paragraphsUrl.replace("/texts/0/", `/texts/${textId}/`),
  onChoose: chooseParagraph,
  onSeeQuestions: () => tabs.select("questions"),
  onFocus: (textId, wordIndex) => tools.focus(textId, wordIndex),
  onLoaded: () => tools.refresh(),
});
const tools = new ClassTools({ room, socket, text, onPicking: () => tabs.select("text"), onShowFocus: showFocus });
const say = new Say({ room, socket });

socket.on("CLASSROOM_STATE", (snapshot, { timestamp }) => {
  setClock(timestamp);
  room.restore(snapshot);
  text.restored();
  refreshAll();
});
socket.on("TEXT_REVISED", () => socket.restore()); // every place in it is another now
socket.on("STUDENT_JOINED", ({ student }) => changeStudents({ students: [student] }));
socket.on("STUDENT_PRESENCE", changeStudents);
socket.on("STUDENT_PROGRESS", changeStudents);
socket.on("INTERRUPTION_OPENED", changeInterruption);
socket.on("INTERRUPTION_ANSWERED", changeInterruption);
socket.on("INTERRUPTION_FAILED", changeInterruption);
socket.on("INTERRUPTION_RESPONSE_DELTA", (delta) => {
  const outcome = room.mergeDelta(delta);
  if (outcome === "gap") socket.restore();
  if (outcome === "changed") refreshQuestions();
});
socket.on("HEATMAP_UPDATED", ({ paragraphCounts }) => {
  room.mergeCounts(paragraphCounts);
  text.refresh();
});
socket.on("TUTOR_STATUS", ({ running }) => {
  room.tutorRunning = running;
  showTutor();
});
socket.on("CLASS_BROADCAST", (broadcast) => {
  room.mergeBroadcast(broadcast);
  tools.refresh();
  text.refresh();
  say.refresh();
});

function changeStudents(change) {
  room.mergeStudents(change);
  students.refresh();
  text.refresh();
}

function changeInterruption({ interruption }) {
  if (room.mergeInterruption(interruption)) questions.announce();
  students.refresh();
  refreshQuestions();
}

function refreshQuestions() {
  questions.refresh();
  const waiting = [...room.interruptions.values()].filter(isOpen).length;
  setText(byId("questions-waiting"), waiting ? String(waiting) : "");
  document.title = waiting ? `(${waiting}) ${config.state.name}` : config.state.name;
}

function showTutor() {
  byId("no-tutor-notice").hidden = room.tutorRunning;
}

function refreshAll() {
  showTutor();
  students.refresh();
  text.refresh();
  tools.refresh();
  say.refresh();
  refreshQuestions();
}

function chooseParagraph(place) {
  questions.showPlace(place);
  text.markChosen(place);
}

function showPlace(textId, paragraph) {
  tabs.select("text");
  text.show(textId, paragraph);
}

function showFocus({ textId, wordIndex }) {
  tabs.select("text");
  text.showWord(textId, wordIndex);
}

function showNames(hidden) {
  names.hide(hidden);
  byId("toggle-projector").setAttribute("aria-pressed", String(hidden));
  document.body.classList.toggle("projector", hidden);
  students.refresh();
  questions.refresh();
}

openable({ joinUrl: config.joinUrl });
byId("toggle-projector").addEventListener("click", () => showNames(!names.areHidden));
byId("clear-paragraph-filter").addEventListener("click", () => chooseParagraph(null));
addEventListener("keydown", (event) => {
  if (event.key === "Escape" && tools.picking) tools.pick(false);
});
shortcuts({
  toggle: byId("toggle-shortcuts"),
  actions: {
    s: () => say.toggle(),
    f: () => tools.pick(!tools.picking),
    p: () => tools.togglePause(),
    h: () => showNames(!names.areHidden),
  },
});
showNames(names.areHidden);
text.start();
refreshAll();
// "4 min" grows old by itself, and so does "here".
setInterval(refreshAll, TIMES_EVERY);
