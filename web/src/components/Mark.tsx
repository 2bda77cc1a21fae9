import {
  IconAlertTriangle, IconCircleCheck, IconCircleDashed, IconCircleMinus, IconCircleX, IconClock, IconFlame, IconHelpCircle, IconInfoCircle, IconLoader2,
  IconShieldOff, type Icon,
} from '@tabler/icons-react';

type Tone = 'good' | 'bad' | 'warn' | 'quiet' | 'info';

const marks: Record<string, [Tone, Icon]> = {
  // facets and verdicts
  holds: ['good', IconCircleCheck], broken: ['bad', IconCircleX], excepted: ['warn', IconShieldOff], 'not-yet': ['quiet', IconCircleDashed],
  pass: ['good', IconCircleCheck], fail: ['bad', IconCircleX], unknown: ['warn', IconHelpCircle], 'not-applicable': ['quiet', IconCircleMinus],
  // stages
  ok: ['good', IconCircleCheck], attention: ['warn', IconAlertTriangle],
  // levels
  informational: ['quiet', IconInfoCircle], low: ['info', IconInfoCircle], medium: ['warn', IconAlertTriangle], high: ['bad', IconAlertTriangle], critical: ['bad', IconFlame],
  // incidents and alerts
  open: ['bad', IconAlertTriangle], contained: ['warn', IconClock], eradicated: ['warn', IconClock], restored: ['info', IconClock], closed: ['quiet', IconCircleMinus],
  // actions
  proposed: ['info', IconCircleDashed], planned: ['warn', IconClock], approved: ['info', IconLoader2], applying: ['info', IconLoader2], applied: ['info', IconCircleCheck],
  verified: ['good', IconCircleCheck], undoing: ['info', IconLoader2], undone: ['quiet', IconCircleMinus], accepted: ['good', IconCircleCheck], failed: ['bad', IconCircleX], rejected: ['quiet', IconCircleMinus],
  // drills
  running: ['info', IconLoader2], passed: ['good', IconCircleCheck],
  // clauses
  enforced: ['good', IconCircleCheck], 'verified only': ['info', IconInfoCircle], 'detected only': ['info', IconInfoCircle], 'not yet': ['quiet', IconCircleDashed],
};

/** A state: an icon and a word, so that colour is never needed to read it. */
export function Mark({ of, label, title }: { of: string; label?: string; title?: string }) {
  const [tone, Shape] = marks[of] ?? ['quiet', IconHelpCircle];
  return (
    <span className={`mark ${tone}`} title={title}>
      <Shape size={14} stroke={2} aria-hidden />
      {label ?? of.replace('-', ' ')}
    </span>
  );
}

export function tone(of: string): Tone {
  return marks[of]?.[0] ?? 'quiet';
}
