/* The reading page, as a table of contents: who does what, and which message goes where.

   Each subject has its own module; they meet only here. The server's data for the page is in #reading-config. */

import { AskBox } from "./ask.js";
import { Comfort } from "./comfort.js";
import { indicator } from "./connection.js";
import { byId } from "./dom.js";
import { takeFirstTap } from "./first-tap.js";
import { _, format } from "./i18n.js";
import { Interruptions } from "./interruptions.js";
import { listenToKeys } from "./keys.js";
import { Margin } from "./margin.js";
import { Notes } from "./notes.js";
import { Pages } from "./pages.js";
import { Place } from "./place.js";
import { QuestionList } from "./question-list.js";
import { Revision } from "./revision.js";
import { connect } from "./socket.js";
import { Speech } from "./speech.js";
import { paragraphNumberOf } from "./text.js";
import { WordsInHand } from "./words.js";

const config = JSON.parse(byId("reading-config").textContent);
const showConnection = indicator(byId("connection"));

const socket = connect({
  path: config.socketPath,
  snapshotType: "SESSION_RESTORED",
  signInUrl: "/join/",
  noLongerMine: () => _("You are no longer in this class. Please ask your teacher."),
  onState: (state, sentence) => {
    showConnection(state, sentence);
    interruptions.changed();
  },
});

const revision = new Revision(config);
const pages = new Pages({ config, onTurned: pageTurned, onFailed: pageMissing, onRevised: textChanged });
const place = new Place({ config, socket });
const margin = new Margin({ onMark: (entries) => interruptions.open(entries.at(-1).key) });
const notes = new Notes({
  config,
  goTo: showPlace,
  whereAmI: () => place.wordIndex,
  pageOf: (index) => pages.pageOf(index),
  onPause: classPaused,
});

const speech = new Speech({
  language: config.language,
  pages,
  startAt: () => place.wordIndex,
  onWord: (index) => place.moveTo(index),
  onState: ({ isPlaying, isHeld }) => place.heard(isPlaying || isHeld),
  mayPlay: () => !notes.isPaused,
});

const interruptions = new Interruptions({
  config, socket, pages, margin,
  openBox: (about, question) => askBox.open(about, question),
  onNotice: (text, action) => notes.note(text, { action, kind: "answer" }),
  onChange: () => questionList.changed(),
  resumeAlone: () => speech.goOn(),
});

const questionList = new QuestionList({
  url: config.interruptionsUrl,
  entries: () => [...interruptions.entries.values()],
  onOlder: (views) => interruptions.addOlder(views),
  onOpen: (key) => interruptions.open(key),
  pageOf: (index) => pages.pageOf(index),
});

const askBox = new AskBox({
  key: `draft:${config.sessionId}`,
  onAsk: (question) => interruptions.ask(question),
  onShown: boxShown,
  onClosed: boxClosed,
});

const inHand = new WordsInHand({
  onAsk: (about, questionText) => {
    speech.hold();
    interruptions.ask({ questionText, about });
  },
  onWrite: (about, question) => askBox.open(about, question),
  mayAsk: () => !notes.isPaused && !askBox.isOpen,
});

const comfort = new Comfort({ config, socket, onChange: (preferences) => speech.setPreferences(preferences) });

socket.on("SESSION_RESTORED", (snapshot) => {
  if (snapshot.text.revision !== config.revision && textChanged()) return;
  place.restored(snapshot);
  comfort.restored(snapshot);
  notes.restored(snapshot);
  interruptions.restored(snapshot);
});
socket.on("INTERRUPTION_ACKNOWLEDGED", (payload, message) => interruptions.acknowledged(payload, message));
socket.on("QUEUE_POSITION", (payload) => interruptions.moved(payload));
socket.on("INTERRUPTION_RESPONSE_DELTA", (payload) => interruptions.grew(payload));
socket.on("INTERRUPTION_RESPONSE", (payload) => interruptions.answered(payload));
socket.on("INTERRUPTION_ERROR", (payload) => interruptions.failed(payload));
socket.on("PAUSE_AUDIO", () => speech.hold());
socket.on("RESUME_AUDIO", resumed);
socket.on("PROGRESS_SAVED", (payload) => place.saved(payload));
socket.on("PREFERENCES_SAVED", (payload) => comfort.saved(payload));
socket.on("CLASS_BROADCAST", (payload) => notes.heard(payload));
socket.on("TEXT_REVISED", ({ text }) => {
  if (text.id === config.textId && text.revision !== config.revision) textChanged();
});
socket.on("ERROR", ({ code, message }, { inReplyTo }) => {
  if (code === "STALE_TEXT") isStale(inReplyTo);
  else if (code === "RATE_LIMITED" && !inReplyTo) notes.note(message, { kind: "error" });
});

byId("ask-button").hidden = false;
byId("ask-button").addEventListener("click", ask);
for (const button of document.querySelectorAll("dialog [data-act=close]")) {
  button.addEventListener("click", () => button.closest("dialog").close());
}

listenToKeys({
  actions: {
    q: ask,
    l: () => speech.toggle(),
    w: () => inHand.chooseFrom(place.wordIndex),
    n: () => pages.next(),
    p: () => pages.previous(),
    ArrowRight: () => pages.next(),
    ArrowLeft: () => pages.previous(),
    "?": () => byId("shortcuts-dialog").showModal(),
  },
  first: (key) => inHand.keyed(key),
  escape: closeWhatIsOpen,
});

function ask() {
  if (notes.isPaused) return;
  const { wordIndex } = place;
  inHand.putDown();
  interruptions.fold();
  askBox.open({ wordIndex, paragraph: paragraphNumberOf(wordIndex), by: "button" });
}

function boxShown(about) {
  speech.hold();
  interruptions.box = { element: byId("ask"), wordIndex: about.wordIndex };
  interruptions.changed();
  margin.keepInView(about.wordIndex);
}

function boxClosed({ sent }) {
  interruptions.box = null;
  interruptions.changed();
  if (!sent) speech.goOn();
}

function resumed({ reason, fromWordIndex, playbackRate }) {
  if (interruptions.staysOnCard) {
    interruptions.staysOnCard = false;
    return;
  }
  speech.resumeFrom(fromWordIndex, { rate: playbackRate, isAskedFor: reason !== "resume" });
}

function pageTurned() {
  inHand.putDown({ keepFocus: true });
  margin.pageTurned();
  place.pageTurned();
  if (!speech.isTurning) speech.moved();
  interruptions.changed();
}

/** The teacher has changed the text: load this page again, at the reader's place in the new one. Returns whether
    that is under way. */
function textChanged() {
  if (revision.reload({ isAsking: askBox.isOpen || revision.isAsking })) return true;
  notes.note(_("Your teacher has changed this text. Load the page again to read on in the new one."), {
    kind: "text", action: { label: _("Load again"), run: () => location.assign(config.placeUrl) },
  });
  return false;
}

/** A message counted words of a text that has changed. A question goes back into the box, to be asked again. */
function isStale(requestId) {
  const request = socket.pending("STUDENT_INTERRUPTION").find(({ id }) => id === requestId);
  if (request) {
    askBox.takeBack(request.payload.questionText);
    interruptions.forget(requestId);
    revision.isAsking = true;
  }
  if (request && request.payload.context?.revision !== config.revision) sayRevised();
  else textChanged();
}

/** This page is of the changed text: say so, and open the box where a question was under way. */
function sayRevised() {
  const sentence = _("Your teacher has changed this text. You are where you were.");
  const asking = _("Your question is still here: look at the place, and ask it again.");
  notes.note(askBox.isEmpty ? sentence : `${sentence} ${asking}`, { kind: "text" });
  if (revision.isAsking) ask();
  revision.isAsking = false;
}

function pageMissing(page) {
  notes.note(format(_("Page {page} is not here yet, because there is no connection."), { page }), {
    kind: "page", action: { label: _("Try again"), run: () => pages.turnTo(page) },
  });
}

/** Show the place of word `index` and count the reader as being there. */
async function showPlace(index) {
  await interruptions.returnTo(index);
  place.moveTo(index);
}

function classPaused(isPaused) {
  if (isPaused) {
    speech.pause();
    askBox.close();
    inHand.putDown();
  }
  for (const id of ["ask-button", "listen-button"]) byId(id).setAttribute("aria-disabled", String(isPaused));
}

function closeWhatIsOpen() {
  if (inHand.isOpen) inHand.putDown();
  else if (askBox.isOpen) askBox.close();
  else if (comfort.isOpen) comfort.close();
  else interruptions.fold();
}

const firstTap = takeFirstTap();
if (revision.hasCome) sayRevised();
else if (firstTap !== null) inHand.take(firstTap);
