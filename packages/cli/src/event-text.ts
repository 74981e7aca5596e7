import type { PipelineEvent, PipelineStats } from '@sluice/core';
import { withoutStop } from '@sluice/core/driver';
import { lostIn } from './lost-messages.js';

/** What happened, in one line for people. */
export function eventText(event: PipelineEvent): string {
  switch (event.type) {
    case 'started':
      return `${event.pipeline} runs`;
    case 'degraded':
      return `${event.part}: ${withoutStop(event.error.message)}; attempt ${event.attempt} failed, the next is in ${seconds(event.delayMs)}`;
    case 'recovered':
      return `${event.part}: works again`;
    case 'deadLetter':
      return `${event.part}: ${event.count} ${event.count === 1 ? 'message' : 'messages'} ${
        event.dropped ? 'dropped' : 'stored as dead letter'
      }: ${event.error.message}`;
    case 'notice':
      return `${event.part}: ${event.text}`;
    case 'stopped':
      return `${event.pipeline} stopped: ${summaryText(event.summary)}`;
  }
}

function summaryText(stats: PipelineStats): string {
  const { received, written, filtered, deadLettered, dropped, unsettled } = stats;
  const lost = lostIn(stats);
  const parts = [
    received === 0 ? 'nothing new' : `${received} received, ${written} written`,
    filtered > 0 ? `${filtered} filtered` : '',
    deadLettered > 0 ? `${deadLettered} dead ${deadLettered === 1 ? 'letter' : 'letters'}` : '',
    dropped > 0 ? `${dropped} dropped as invalid` : '',
    lost > 0 ? `${lost} lost before they were received` : '',
    unsettled > 0 ? `${unsettled} left unsettled` : '',
  ];
  return parts.filter((part) => part !== '').join(', ');
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
