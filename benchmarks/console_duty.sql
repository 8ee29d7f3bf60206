-- The rows that `benchmarks.console_duty` looks through: so many calls until a moment, so many a day.

create temporary table one on commit drop as
select n, at, 'c' || n as id,
  '138' || lpad((n::bigint * 7919 % :calls)::text, 8, '0') as caller,
  case when n % 5000 = 1 then '12315' when n % 5 = 0 then '12333' else '12345' end as did,
  (array['460105','460106','460107','460108','460200','460400','469005',null])[1 + n % 8] as region,
  n % 30 = 29 as refused,
  n > :calls - 4 * :a_day and n % 2 = 0 as is_open,
  to_char(to_timestamp(at) at time zone 'Asia/Shanghai', 'YYYY-MM-DD') as day
from generate_series(0, :calls - 1) as n,
  lateral (select :end - (:calls - n) * 86400.0 / :a_day as at) as moment;

insert into call
  (id, caller, did, offered_at, started_at, ended_at, outcome, region, recording)
select id, caller, did, at - 3, at, at + 120,
  case when n % 10 = 1 then 'human' when n % 200 = 7 then 'handed_off'
    when n % 3 = 0 then 'ticket' when n % 5000 = 11 then 'guided'
    when n % 20 = 5 then 'abandoned' else 'answered' end,
  region, id || '.wav'
from one where not refused;

insert into refused_call (call_id, did, reason, at)
select id, did, 'full', at from one where refused;

insert into transcript_turn (call_id, seq, side, text, start, "end", entry, final)
select id, turn, case when turn % 2 = 0 then 'caller' else 'bot' end,
  (array['我们小区的路灯坏了没有人修', '停水两天了什么时候来', '公积金怎么提取',
    '垃圾没人清运', '半夜施工噪音睡不着', '请问社保怎么转', '有人被困在电梯里',
    '您好请问您要咨询什么'])[1 + (n * 7 + turn * 3) % 8] || n % 97,
  turn * 5, turn * 5 + 4, null, true
from one, generate_series(0, 5) as turn where not refused;

insert into handoff
  (id, call_id, destination, first_destination, region, category, lines, flags, reason, evidence,
   requested_at, connected_at, connected_to, returned_at, state, state_at, dossier, revision)
select id || '-h1', id, place, place, region, case when n % 200 = 7 then 1 + n % 7 end, '[]', '[]',
  case when n % 200 = 7 then 'danger' else 'requested_human' end, '["说了“着火”"]', at + 30,
  case when n % 9 <> 0 then at + 36 end, case when n % 9 <> 0 then place end, null,
  case when n % 9 = 0 then 'busy' else 'ended' end, at + 90,
  json_build_object('caller', caller, 'transcript', repeat('我们这里着火了。', 100)), 3
from one, lateral (select case when n % 200 = 7 then '110-460000' else 'seat' end as place) as where_
where n % 10 = 1 or n % 200 = 7;

insert into ticket
  (id, call_id, matter, place, name, number, region, department, created_at, updated_at, tail,
   status, version, due_at, awaited_by, remind_at, dispatched_at, answered_at, returns,
   disputed_at, confidential)
select id || '-t1', id,
  (array['路灯坏了', '小区停水', '垃圾没人清运', '占道经营', '施工噪音', '拖欠工资'])[1 + n % 6]
    || n % 97,
  '和平大道' || n % 300 || '号', '王', caller, region, '部门' || n % 40, at + 60, at + 60,
  lpad((n % 10000)::text, 4, '0'),
  case when is_open and n % 500 = 0 then 'disputed' when is_open then 'dispatched'
    when n % 4 = 0 then 'answered' else 'closed' end,
  4, at + 172800, case when is_open then at + 172800 end, case when is_open then at + 172800 end,
  at + 3600, case when not is_open then at + 100000 end, (n % 50 = 6)::int,
  case when n % 500 = 0 then at + 86400 end, n % 100 = 3
from one where n % 3 = 0 and not refused;

insert into ticket_step
  (ticket, version, at, act, before, after, who, role, why, department, details)
select id || '-t1', version, at + version * 3600,
  case version when 1 then 'create' when 2 then 'dispatch'
    when 3 then case when n % 50 = 6 then 'return' else 'accept' end else 'answer' end,
  'created', 'dispatched', '王座席', 'agent', '', '部门' || n % 40, '{}'
from one, generate_series(1, 4) as version where n % 3 = 0 and not refused;

insert into evaluation (call_id, number, ticket, asked_at, score, via, given_at)
select id, caller, case when n % 3 = 0 then id || '-t1' else '' end, at + 120, 1 + n % 3, 'key', at + 130
from one where n % 10 = 4;

insert into missed_call
  (call_id, number, did, at, why, danger, state, tries, next_try_at, settled_at, settled_by, note)
select id, caller, did, at, 'refused', n % 3000 = 29,
  case when n > :calls - 2 * :a_day then 'waiting' else 'reached' end, 1, at + 300, null, '', ''
from one where refused;

insert into caller_nuisance (call_id, number, reason, at, noted_by)
select id, '139' || lpad((n % 3000)::text, 8, '0'), 'harassment', at, '' from one where n % 40 = 9;

insert into caller_limit
  (id, number, state, reason, evidence, proposed_at, set_at, set_by, ends_at, appeal, reported)
select n, '139' || lpad((n % 3000)::text, 8, '0'),
  case when n > 19900 then 'proposed' when n % 7 = 0 then 'lifted' else 'in_force' end,
  'harassment', '["c9", "c49", "c89"]', at, at, '李值班', at + 2592000,
  case when n > 19500 and n % 20 = 0 then 'open' else '' end, ''
from generate_series(1, 20000) as n,
  lateral (select :end - (20000 - n) * 400.0 as at) as moment;

insert into caller_limit_step (id, limit_id, at, step, who, why, key)
select n, n, :end - (20000 - n) * 400.0, 'set', '李值班', '反复骚扰', n || '/set'
from generate_series(1, 20000) as n;

insert into incident (id, opened_at, state, closed_at, merged_into)
select 'i' || n, :end - n * 900.0, 'closed', :end - n * 900.0 + 7200, null
from generate_series(1, 5000) as n
union all
select 'open' || n, :end - n * 60.0, 'open', null, null from generate_series(1, 100) as n;

insert into incident_member
  (handoff, incident, call_id, at, region, category, lines, words, by_hand, revision)
select 'm' || n || '-' || k, 'i' || n, 'c' || n, :end - n * 900.0, '469001', 3, '[]'::json,
  '山体滑坡了，有人被埋', false, 1
from generate_series(1, 5000) as n, generate_series(1, 6) as k
union all
select 'o' || n || '-' || k, 'open' || n, 'c' || k, :end - n * 60.0, '469001', 3, '[]'::json,
  '山体滑坡了，有人被埋', false, 1
from generate_series(1, 100) as n,
  generate_series(1, case when n = 1 then 300 when n < 20 then 10 else 1 end) as k;

insert into topic (id, label, examples, first_at, last_at)
select n, '热点' || n, '["路灯坏了", "路灯不亮"]', :end - 5000000, :end
from generate_series(1, 2000) as n;

insert into topic_matter (topic, call_id, at, day, region)
select 1 + (n * 31 % 2000), id, at, day, coalesce(region, '') from one where n % 3 <> 1;

insert into topic_alarm (topic, day, region, count, expected, chance, new, raised_at)
select n, day, '', 50, 3.5, 0.000001, false, :end - 3600
from generate_series(1, 5) as n, lateral (select max(day) as day from one) as last;

insert into reconciliation
  (number, first_day, last_day, began_at, ended_at, principal, ours, theirs, found, unsettled)
select n, day, day, began, began + 60, 'service', 3000, 3001, '{"missing_here": 3}', 1
from generate_series(1, 100) as n,
  lateral (select :end - (100 - n) * 86400.0 as began) as moment,
  lateral (select to_char(to_timestamp(began - 86400.0), 'YYYY-MM-DD') as day) as days;

insert into exchange_difference
  (number, finding, id, subject, sender, kind, day, ours, theirs, repair, state, found_at, seen_in,
   settled_at, decided_by, note)
select n, 'missing_here', '110:ticket:F' || n, 'F' || n, '110', 'ticket',
  to_char(to_timestamp(:end - (1 + n % 90) * 86400.0), 'YYYY-MM-DD'), null,
  '{"state": "applied", "content_hash": "abcdef0123456789"}', 'ask_again',
  case when n % 200 = 0 then 'open' else 'settled' end, :end - n % 90 * 86400.0, 1, null, '', ''
from generate_series(1, 50000) as n;
