/** Single faults in how messages are brought, each of which breaks a property. */
import type { Fault } from './faults.ts';

export const MESSAGE_FAULTS: readonly Fault[] = [
  {
    fault: 'parts of two messages are put together',
    breaks: ['messages are kept'],
    file: 'src/messages/commands.ts',
    from: 'if (assembly?.id !== id || assembly.texts.length !== parts) {',
    to: 'if (assembly?.texts.length !== parts) {',
  },
  {
    fault: 'a message of which each part was answered is taken to be there',
    breaks: ['messages are kept'],
    file: 'src/messages/delivery.ts',
    from: "if (answers.some(({ value }) => value === 'new' || value === 'known')) return;",
    to: 'if (answers.length > 0) return;',
  },
  {
    fault: 'a message is forgotten before it is brought',
    breaks: ['messages are kept'],
    file: 'src/messages/delivery.ts',
    from: '    await bring(peer, message, options);\n    await store.settled(message);',
    to: '    await store.settled(message);\n    await bring(peer, message, options);',
  },
];
