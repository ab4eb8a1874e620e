import { expect, it } from 'vitest';
import { verdict } from './quality';

const hook = (attached: boolean, reason: string | null = null) => ({ hook: 'tp_btf', target: 'sock_send_length', attached, reason });
const loss = (reason: string, events: number) => ({ stage: 'ring', reason, unit: 'kernel_event', events });

it('is green only when every hook is attached and nothing was lost', () => {
  expect(verdict([], [hook(true)]).light).toBe('good');
  expect(verdict([loss('filtered_self', 9), loss('evicted', 3), loss('ring_full', 0)], [hook(true), hook(false, 'not needed: another does it')]).light).toBe('good');
});

it('says what was lost', () => {
  const said = verdict([loss('ring_full', 42)], [hook(true)]);
  expect(said.light).toBe('warn');
  expect(said.reasons).toEqual(['42 kernel events lost in ring: ring full']);
});

it('says what is not seen', () => {
  expect(verdict([], [hook(true), hook(false, 'permission denied')])).toMatchObject({ light: 'warn', reasons: ['tp_btf sock_send_length is not attached: permission denied'] });
  expect(verdict([], [hook(false, 'no BTF')]).light).toBe('bad');
});

it('is off, not green, where nothing captures', () => expect(verdict([], []).light).toBe('off'));
