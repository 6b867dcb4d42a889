/* What students are called on this screen: by nickname, or "Reader 7" while a projector shows it to the class. Then it
   also keeps back what is between one child and the teacher.

   Numbers follow the order of joining, so they stay the same after a reload. */

import { _, format } from "../i18n.js";
import { memory } from "./rows.js";

export class Names {
  constructor(room) {
    this.room = room;
    this.numbers = new Map();
    this.areHidden = memory.get("room-names") === "hidden";
    this.nameOf = this.nameOf.bind(this);
    this.isForThisScreen = this.isForThisScreen.bind(this);
  }

  /** Return what to call a student here. */
  nameOf(enrollmentId, nickname) {
    if (!this.areHidden) return nickname;
    if (!this.numbers.has(enrollmentId)) this.#number();
    return format(_("Reader {number}"), { number: this.numbers.get(enrollmentId) ?? "?" });
  }

  /** False for a question that the class must not read from the wall. */
  isForThisScreen({ flag }) {
    return !(this.areHidden && flag);
  }

  /** Hide or show the names, also after a reload of this tab. */
  hide(hidden) {
    this.areHidden = hidden;
    memory.set("room-names", hidden ? "hidden" : "shown");
  }

  #number() {
    const ids = [...this.room.students.keys()].sort((a, b) => a - b);
    for (const id of ids) if (!this.numbers.has(id)) this.numbers.set(id, this.numbers.size + 1);
  }
}
