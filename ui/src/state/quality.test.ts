import { expect, it } from 'vitest';
import { verdict } from './quality';

const hook = (state: string, reason: string | null = null) => ({ hook: 'tp_btf', target: 'sock_send_length', attached: state === 'attached', state, reason });
const loss = (reason: string, events: number) => ({ stage: 'ring', reason, unit: 'kernel_event', events });

it('is green only when no hook is missing and nothing was lost', () => {
  expect(verdict([], [hook('attached')]).light).toBe('good');
  expect(verdict([loss('filtered_self', 9), loss('evicted', 3), loss('ring_full', 0)], [hook('attached'), hook('replaced', 'another does it')]).light).toBe('good');
});

it('leaves out what is off until somebody asks for it', () => {
  const hooks = [hook('attached'), hook('off', 'switched on by --profile-faults')];
  expect(verdict([], hooks)).toEqual({ light: 'good', title: 'Nothing lost', reasons: ['No loss was counted: 1 hook attached, 1 off until asked for.'] });
  expect(verdict([], [...hooks, hook('refused', 'permission denied')]).reasons).toEqual(['tp_btf sock_send_length is not attached: permission denied']);
});

it('says what was lost', () => {
  const said = verdict([loss('ring_full', 42)], [hook('attached')]);
  expect(said.light).toBe('warn');
  expect(said.reasons).toEqual(['42 kernel events lost in ring: ring full']);
});

it('says what is not seen', () => {
  expect(verdict([], [hook('attached'), hook('refused', 'permission denied')])).toMatchObject({ light: 'warn', reasons: ['tp_btf sock_send_length is not attached: permission denied'] });
  expect(verdict([], [hook('refused', 'no BTF')]).light).toBe('bad');
});

it('is off, not green, where nothing captures', () => expect(verdict([], []).light).toBe('off'));
