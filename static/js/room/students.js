/* The students' column: one row each, those who need the teacher first.

   Rows are kept by enrollment and only what changed is written. The row under the pointer or the keyboard's
   focus keeps its place until it is left, so that nobody clicks a neighbour by accident. */

import { _, format } from "../i18n.js";
import { arrange, byId, fromTemplate, holdStill, oncePerFrame, setShown, setText, windowOf } from "./rows.js";
import { percentOf } from "./state.js";
import { now, since } from "./when.js";

const GLIDE = { duration: 240, easing: "cubic-bezier(0.2, 0.7, 0.2, 1)" };
const stillness = matchMedia("(prefers-reduced-motion: reduce)");

const STATUS = {
  new: () => _("not started"),
  reading: () => _("reading"),
  asking: () => _("asking"),
  away: (student) => (student.lastSeen ? format(_("away {time}"), { time: since(student.lastSeen) }) : _("away")),
  finished: () => _("finished"),
};

export class StudentList {
  /** `nameOf(enrollmentId, nickname)` is what to call someone; `urlOf(enrollmentId)` is their page; `showsQuestions()`
      is false while the class sees this: of the last question of each it is not known here whether it is flagged. */
  constructor({ room, nameOf, urlOf, showsQuestions }) {
    Object.assign(this, { room, nameOf, urlOf, showsQuestions });
    this.rows = new Map();
    this.list = byId("students");
    this.column = byId("students-scroll");
    this.refresh = oncePerFrame(() => this.#refresh());
    this.list.addEventListener("pointerleave", this.refresh);
    this.list.addEventListener("focusout", this.refresh);
  }

  #refresh() {
    const ranked = this.room.neediestStudents(now());
    const usual = this.room.mostReadText();
    const held = this.list.querySelector(":scope > :focus-within") ?? this.list.querySelector(":scope > :hover");
    let order;
    holdStill(this.column, held, () => {
      order = ranked.map(({ student, status }) => this.#show(student, status, usual));
      this.#arrange(order, held);
    });
    this.#forget(ranked);
    setShown(byId("students-empty"), order.length === 0);
    setText(byId("here-count"), String(this.room.hereCount(now())));
    setText(byId("here-of"), format(_("of {students} here"), { students: order.length }));
  }

  #show(student, status, usual) {
    let row = this.rows.get(student.enrollmentId);
    if (!row) {
      row = fromTemplate("student-template");
      this.rows.set(student.enrollmentId, row);
    }
    const text = this.room.texts.get(student.textId);
    const name = row.querySelector(".student-name");
    setText(name, this.nameOf(student.enrollmentId, student.nickname));
    name.href = this.urlOf(student.enrollmentId);
    row.dataset.status = status;
    setText(row.querySelector(".student-status"), STATUS[status]?.(student) ?? status);
    row.querySelector(".student-progress").value = percentOf(student);
    setText(row.querySelector(".student-place"), placeOf(student, text));
    // Which book only needs saying of those who read another than most do.
    const book = row.querySelector(".student-text");
    if (setShown(book, Boolean(text) && text.id !== usual)) setText(book, text.title);
    const question = row.querySelector(".student-question");
    const asked = this.showsQuestions() ? (student.lastQuestion ?? "") : "";
    setShown(question, Boolean(asked));
    setText(question, asked);
    return row;
  }

  #forget(ranked) {
    if (this.rows.size === ranked.length) return;
    for (const id of [...this.rows.keys()]) if (!this.room.students.has(id)) this.rows.delete(id);
  }

  #arrange(order, held) {
    if (held && order.includes(held)) {
      const place = [...this.list.children].indexOf(held);
      order.splice(order.indexOf(held), 1);
      order.splice(place, 0, held);
    }
    const rows = this.list.children;
    if (order.length === rows.length && order.every((row, i) => row === rows[i])) return;
    const before = this.#places();
    arrange(this.list, order, held);
    this.#glide(before);
  }

  /** Return where the visible rows stand; nothing when they would not move, or should not be seen to. */
  #places() {
    if (stillness.matches) return new Map();
    const { top, bottom } = windowOf(this.column);
    const places = new Map();
    for (const row of this.list.children) {
      const box = row.getBoundingClientRect();
      if (box.top > bottom) break;
      if (box.bottom >= top) places.set(row, box.top);
    }
    return places;
  }

  #glide(before) {
    for (const [row, top] of before) {
      const moved = top - row.getBoundingClientRect().top;
      if (row.isConnected && moved) row.animate([{ transform: `translateY(${moved}px)` }, {}], GLIDE);
    }
  }
}

function placeOf(student, text) {
  if (student.status === "new" || !student.page) return "";
  if (!text) return format(_("p. {page}"), { page: student.page });
  return format(_("p. {page} of {pages}"), { page: student.page, pages: text.pageStarts.length });
}
