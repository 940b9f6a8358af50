-- Prints what wrk counted as a line of JSON. Where WRK_PATHS names a file with a path in each line, asks for one after
-- the other, each with a new number at its end, so that no answer can be one that was kept.
local file = os.getenv('WRK_PATHS')
if file then
  local paths, at = {}, 0
  for path in io.lines(file) do paths[#paths + 1] = path end
  function request()
    at = at + 1
    return wrk.format(nil, paths[at % #paths + 1] .. at)
  end
end

function done(summary)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  io.write(string.format('\n{"requests":%d,"bytes":%.0f,"seconds":%.6f,"failed":%d}\n',
    summary.requests, summary.bytes, summary.duration / 1e6, failed))
end
