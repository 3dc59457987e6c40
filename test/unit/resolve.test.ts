import { describe, expect, test } from 'vitest';
import { DEFAULT_PORT, parseHostPort } from '../../src/transport/resolve.ts';

describe('an address without a port', () => {
  test.each(['192.168.2.3', 'fe80::1', '[fe80::1]', 'pi.local', 'pi'])(
    '%s has the one that is meant',
    (text) => {
      expect(parseHostPort(text, 9998).port).toBe(9998);
      expect(parseHostPort(text).port).toBe(DEFAULT_PORT);
      const host = text.replace(/[[\]]/g, '');
      expect(parseHostPort(host.includes(':') ? `[${host}]:7` : `${host}:7`, 9998)).toEqual({
        host,
        port: 7,
      });
    },
  );
});
