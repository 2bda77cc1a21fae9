import { createContext } from 'react';

/** The event that values stand in, and what a page can do with it. */
export interface About {
  id: string;
  time: string;
  asset: string;
  dataset: string;
  /** Set where the event names a process. */
  tree?: () => void;
  incident: () => void;
  except: (field: string, value: string) => void;
  block: (field: string, value: string) => void;
}

/** None outside of a search. */
export const AboutEvent = createContext<About | undefined>(undefined);

const v4 = /^(25[0-5]|2[0-4]\d|1?\d?\d)(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/;

/** Whether a value is an address that could be blocked. */
export function isAddress(s: string): boolean {
  return v4.test(s) || (s.length < 46 && s.includes('::') && /^[0-9a-f:.]+$/i.test(s)) || /^([0-9a-f]{1,4}:){7}[0-9a-f]{1,4}$/i.test(s);
}
