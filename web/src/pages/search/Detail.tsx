import { Button } from '@mantine/core';
import { IconBinaryTree, IconCopy, IconFlame } from '@tabler/icons-react';

import { AboutEvent, type About } from '../../components/about';
import { Do } from '../../components/Page';
import { Long } from '../../components/Text';
import { copy, Fields } from '../../components/Value';
import type { Event } from './row';

/** All of one event: what every source has, what this one calls its own, and the record itself. */
export function Detail({ event, about }: { event: Event; about: About }) {
  return (
    <AboutEvent.Provider value={about}>
      <div className="detail">
        <div className="tools">
          <Button size="compact-xs" variant="default" leftSection={<IconCopy size={13} />} onClick={() => copy(event.json())}>Copy as JSON</Button>
          {about.tree && <Button size="compact-xs" variant="default" leftSection={<IconBinaryTree size={13} />} onClick={about.tree}>Process tree</Button>}
          <Do effect="incident.event" size="compact-xs" variant="default" leftSection={<IconFlame size={13} />} onClick={about.incident}>Add to incident…</Do>
          <span className="dim">Every value has a menu: click it, or press Enter on it.</span>
        </div>
        <Fields row={event.own()} />
        <hr />
        <Fields row={event.fields} />
        <pre className="raw" tabIndex={0} aria-label="The record as it came"><Long text={event.text('raw')} /></pre>
      </div>
    </AboutEvent.Provider>
  );
}
