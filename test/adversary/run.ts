/** What main.mjs and tests load with the library that can be looked into. */
export { runIntroduced } from './introduced-schedule.ts';
export { runMessages } from './message-schedule.ts';
export { runSchedule } from './schedule.ts';
