/* What the teacher's room knows, as plain data. Pure: no DOM, no socket, no clock of its own.

   room.js feeds it the server's messages and hands what changed to the views. A snapshot replaces everything;
   every other message holds the whole new state of one thing, so applying it twice is harmless. */

import { draftOf, textOf, withDelta } from "../deltas.js";

const OPEN = new Set(["queued", "answering"]);
/** Someone away for longer than a lesson is absent, and needs the teacher less than those who are here. */
const ABSENT_AFTER = 2 * 60 * 60;
/** How long after the last sign of life someone who finished still counts as here. The server itself judges it of
    those who read: they become "away". */
const LINGERS = 5 * 60;
/** As many questions with an outcome as a snapshot holds; a long lesson must not make the page slow. */
const KEPT = 50;

export class RoomState {
  /** `snapshot` is a CLASSROOM_STATE. */
  constructor({ snapshot }) {
    this.restore(snapshot);
  }

  /** Forget everything and take a CLASSROOM_STATE. */
  restore(snapshot) {
    this.texts = new Map(snapshot.texts.map((text) => [text.id, text]));
    this.paused = snapshot.paused;
    this.tutorRunning = snapshot.tutorRunning;
    this.focus = snapshot.focus ?? null;
    this.students = new Map(snapshot.students.map((student) => [student.enrollmentId, student]));
    this.interruptions = new Map(snapshot.interruptions.map((one) => [one.interruptionId, one]));
    this.broadcasts = new Map(snapshot.broadcasts.map((one) => [one.broadcastId, one]));
    this.counts = new Map();
    this.mergeCounts(snapshot.paragraphCounts);
  }

  /** Take changed students and the enrollment ids of removed ones, whose questions go with them. */
  mergeStudents({ students = [], removed = [] }) {
    students.forEach((student) => this.students.set(student.enrollmentId, student));
    removed.forEach((id) => this.students.delete(id));
    for (const { interruptionId, enrollmentId } of [...this.interruptions.values()]) {
      if (removed.includes(enrollmentId)) this.interruptions.delete(interruptionId);
    }
  }

  /** Take one question in its new state; return true when it is a new one.

      An outcome is final, and a draft only grows within an attempt: what comes late never takes them back. */
  mergeInterruption(interruption) {
    const mine = this.interruptions.get(interruption.interruptionId);
    const isNew = !mine;
    if (mine && isOpen(interruption)) {
      if (!isOpen(mine) || interruption.attempt < mine.attempt) return false;
      const isShorter = (interruption.draftText ?? "").length < (mine.draftText ?? "").length;
      if (interruption.attempt === mine.attempt && isShorter) {
        interruption = { ...interruption, state: mine.state, draftText: mine.draftText };
      }
    }
    this.interruptions.set(interruption.interruptionId, interruption);
    const student = this.students.get(interruption.enrollmentId);
    if (isNew && student) student.lastQuestion = interruption.questionText;
    for (const old of this.newestInterruptions().slice(KEPT)) {
      if (!isOpen(old) && !old.flag) this.interruptions.delete(old.interruptionId);
    }
    return isNew;
  }

  /** Take a piece of a streamed answer: "changed", "ignored", or "gap" when something before it is missing. */
  mergeDelta(delta) {
    const interruption = this.interruptions.get(delta.interruptionId);
    if (!interruption) return "gap";
    if (!isOpen(interruption)) return "ignored";
    const draft = withDelta(draftOf(interruption.attempt, interruption.draftText), delta);
    if (!draft) return "gap";
    interruption.attempt = draft.attempt;
    interruption.state = "answering";
    interruption.draftText = textOf(draft);
    return "changed";
  }

  /** Take the numbers of questions of some paragraphs. */
  mergeCounts(paragraphCounts) {
    for (const { textId, paragraph, questions } of paragraphCounts) {
      if (!this.counts.has(textId)) this.counts.set(textId, new Map());
      this.counts.get(textId).set(paragraph, questions);
    }
  }

  /** Take what a teacher of this class said or did (CLASS_BROADCAST). */
  mergeBroadcast(broadcast) {
    this.broadcasts.set(broadcast.broadcastId, broadcast);
    if (broadcast.kind === "pause") this.paused = true;
    if (broadcast.kind === "resume") this.paused = false;
    if (broadcast.kind === "focus") {
      this.focus = { textId: broadcast.textId, wordIndex: broadcast.wordIndex };
    }
  }

  /** Return the questions per paragraph of a text, as a Map. */
  countsOf(textId) {
    return this.counts.get(textId) ?? new Map();
  }

  /** Return what was said to all, latest first. */
  said() {
    return [...this.broadcasts.values()]
      .filter((broadcast) => broadcast.kind === "announcement")
      .sort((a, b) => b.sentAt - a.sentAt);
  }

  /** Return the questions, newest first. */
  newestInterruptions() {
    return [...this.interruptions.values()].sort(
      (a, b) => b.askedAt - a.askedAt || (a.interruptionId < b.interruptionId ? 1 : -1),
    );
  }

  /** Return [{student, status}], those who need the teacher first. `now` is the server's time in seconds; an
      open question makes the status "asking" even before the server's next word on the student. */
  neediestStudents(now) {
    const asking = this.#askingSince();
    const ranked = [...this.students.values()].map((student) => {
      const status = asking.has(student.enrollmentId) ? "asking" : student.status;
      return { student, status, need: need(student, status, asking, now) };
    });
    return ranked.sort(
      (a, b) =>
        a.need[0] - b.need[0] ||
        a.need[1] - b.need[1] ||
        a.student.nickname.localeCompare(b.student.nickname) ||
        a.student.enrollmentId - b.student.enrollmentId,
    );
  }

  /** Return how many students are in the room now. */
  hereCount(now) {
    return [...this.students.values()].filter(
      (student) => isReading(student) || (student.status === "finished" && now - student.lastSeen < LINGERS),
    ).length;
  }

  /** Return the id of the text that most students are in, those who are here now counting before all others;
      undefined in a class without texts. */
  mostReadText() {
    const readers = new Map([...this.texts.keys()].map((id) => [id, { here: 0, ever: 0 }]));
    for (const student of this.students.values()) {
      const counted = readers.get(student.textId);
      if (!counted) continue;
      counted.ever += 1;
      if (isReading(student)) counted.here += 1;
    }
    return [...readers].sort(([, a], [, b]) => b.here - a.here || b.ever - a.ever)[0]?.[0];
  }

  /** Return the text's page (from 1) that holds a word. */
  pageOf(textId, wordIndex) {
    const starts = this.texts.get(textId)?.pageStarts ?? [];
    return Math.max(1, starts.filter((start) => start <= wordIndex).length);
  }

  /** enrollmentId → when the oldest open question was asked. */
  #askingSince() {
    const since = new Map();
    for (const { state, enrollmentId, askedAt } of this.interruptions.values()) {
      if (OPEN.has(state)) since.set(enrollmentId, Math.min(askedAt, since.get(enrollmentId) ?? Infinity));
    }
    return since;
  }
}

/** True while a question has no outcome yet. */
export function isOpen(interruption) {
  return OPEN.has(interruption.state);
}

/** True for a student who is at the text now; the server calls others "away" after some minutes. */
export function isReading({ status }) {
  return status === "reading" || status === "asking";
}

/** Return how much of the text a student has read, in whole percent. */
export function percentOf({ status, furthestWordIndex, words }) {
  if (status === "finished") return 100;
  return furthestWordIndex ? Math.min(100, Math.round((100 * (furthestWordIndex + 1)) / words)) : 0;
}

/** Return [group, order within it]; smaller comes first. */
function need(student, status, asking, now) {
  const seen = student.lastSeen ?? 0;
  if (status === "asking") return [0, asking.get(student.enrollmentId) ?? now];
  if (status === "away" && now - seen < ABSENT_AFTER) return [1, seen];
  if (status === "finished") return [4, -seen];
  if (status === "away") return [3, -seen];
  return [2, percentOf(student)];
}
