// The conversation that every saver keeps: questions of 0.5 KB and answers of 1 KB, no two alike, the same in every run.

export const QUESTION_BYTES = 512;
export const ANSWER_BYTES = 1_024;
export const TURN_BYTES: number = QUESTION_BYTES + ANSWER_BYTES;

// Common words first: word n is drawn about 1 / n times as often as the first, as in any text. A block of 1 KB shrinks under deflate
// to 0.56 of its size; one of recorded conversations with an agent to 0.45 to 0.49, so that these texts flatter nobody.
const WORDS = (
  "the to of and a you in for is that it your on with be this are can was not have from as at will or if I we by an flight which " +
  "would there one has what please more all also like been they may their when but about time do so any were other our need some " +
  "only its my ticket who these should out could new two how because refund first them then order each than after before me " +
  "number address us where next day price just between hotel up card over same last help back payment check both change however no " +
  "seat here email delivery city account station still policy fee every date name since sure into options possible another list " +
  "morning evening different cancel cheaper available arrives departs direct booked reservation passenger luggage upgrade economy " +
  "business insurance travel certificate gift original amount total confirm details information request provide currently find " +
  "search results shows found report according customer service support within hours minutes days weeks weather delayed cancelled " +
  "connection transfer platform window aisle breakfast included room double single nights guests kitchen garden quiet central walk " +
  "museum bridge river harbour market restaurant table reviews rated stars average between budget maximum least recommend suggest " +
  "prefer instead although while during without except unless perhaps probably exactly nearly almost already again always never " +
  "often usually sometimes later earlier sooner tomorrow yesterday Monday Tuesday Wednesday Thursday Friday Saturday Sunday January " +
  "March April June August October November Lyon Porto Vienna Oslo Lisbon Bergen Ghent Turin Seattle Boston Denver Austin Chicago " +
  "invoice receipt attached document page section paragraph summary compare difference advantage drawback decision reason result " +
  "question answer example step finally therefore otherwise moreover whether several enough half quarter third second both either " +
  "neither luggage allowance kilograms centimetres carry-on checked bag oversize musical instrument bicycle wheelchair assistance " +
  "vegetarian gluten allergy request note agent system database record update verify identity security code expired valid passport"
).split(" ");

/** Gives the texts of one conversation in order; the same seed gives the same texts. */
export class Conversation {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  question(): string {
    return this.#prose(QUESTION_BYTES);
  }

  answer(): string {
    return this.#prose(ANSWER_BYTES);
  }

  #prose(length: number): string {
    let text = "";
    while (text.length < length) text += this.#sentence();
    return text.slice(0, length);
  }

  #sentence(): string {
    const words = Array.from({ length: 6 + this.#below(14) }, () => this.#word());
    const [first = "", ...rest] = words;
    const end = this.#below(6) === 0 ? "? " : ". ";
    return [first.charAt(0).toUpperCase() + first.slice(1), ...rest].join(" ") + end;
  }

  #word(): string {
    const kind = this.#below(40);
    if (kind === 0) return `${this.#below(2_000)}`;
    if (kind === 1) return `${String.fromCharCode(65 + this.#below(26), 65 + this.#below(26))}${this.#below(100_000)}`;
    // The logarithm of an even draw makes the n-th word 1 / n as likely.
    const rank = Math.floor(WORDS.length ** this.#random()) - 1;
    return `${WORDS[rank]}${this.#below(12) === 0 ? "," : ""}`;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #random(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return this.#state / 2 ** 32;
  }
}
