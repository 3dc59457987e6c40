/** What main.mjs and tests load with the library that can be looked into. */
export { runSchedule } from './schedule.ts';
